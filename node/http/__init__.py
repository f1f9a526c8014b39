"""What the node serves over HTTP: to consumers the product page, to everybody the log, to members what is theirs.

Everything here only reads. `guard` stands before every answer (limits, headers, errors), `protocol` before every
connection (deadlines); `answers` knows caches, ranges and encodings; the rest are the pages' data.
"""

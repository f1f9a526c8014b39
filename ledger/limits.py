"""Every bound on what enters, with its unit in the name. Beyond a bound: a clear error at once."""

from typing import Final

# Canonical encoding
INTEGER_MAX: Final = 2**53 - 1  # largest magnitude that a browser's number holds exactly

# Records, envelopes, blocks
RECORD_BYTES_MAX: Final = 16 * 1024
OPENING_BYTES_MAX: Final = 16 * 1024
ENVELOPE_BYTES_MAX: Final = 1024 * 1024
ENVELOPE_RECORDS_MAX: Final = 4096
BLOCK_BYTES_MAX: Final = 4 * 1024 * 1024
BLOCK_ENVELOPES_MAX: Final = 4096
BLOCK_OVERHEAD_BYTES_MAX: Final = 1024  # of a block beside its envelopes: header and framing
ENVELOPE_OVERHEAD_BYTES_MAX: Final = 5  # of an envelope in a block: its length
BLOCK_FILE_BYTES_MAX: Final = 256 * 1024 * 1024
LOG_LEAF_BYTES_MAX: Final = 64 * 1024 - 1  # tlog-tiles: an entry has a 16-bit length

# Time, in milliseconds since the Unix epoch unless the name says otherwise
CLAIMED_TIME_AHEAD_MS_MAX: Final = 5 * 60 * 1000
ENVELOPE_LIFETIME_MS_MAX: Final = 14 * 24 * 3600 * 1000
CLOCK_AHEAD_MS_MAX: Final = 13 * 24 * 3600 * 1000  # of a node, over what it knows: the longest envelope outlives it
BOOKED_LATE_MS_MIN: Final = 45 * 24 * 3600 * 1000  # a month's book, and half a month to send it in
RETIRED_KEY_GRACE_MS: Final = 14 * 24 * 3600 * 1000
TIME_MS_MAX: Final = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
WITNESS_WINDOW_MS: Final = 10 * 60 * 1000

# Custody
QUANTITY_MAX: Final = 1_000_000_000_000
TEXT_CHARS_MAX: Final = 512
NAME_CHARS_MAX: Final = 128
CODE_CHARS_MAX: Final = 32
REF_CHARS_MAX: Final = 64
TRANSFORM_LINES_MAX: Final = 64
UNIT_LEVELS_MAX: Final = 8  # cartons on pallets in containers
ANCESTORS_SHOWN_MAX: Final = 256
ANCESTORS_COUNTED_MAX: Final = 1_000_000  # with repetition they double from one transformation to the next
FACTS_SHOWN_MAX: Final = 64
PATH_POSITIONS_MAX: Final = 64
PRIVATE_HASHES_MAX: Final = 64  # of scanned documents, behind one seal
HANDOVER_FACTS_MAX: Final = 64
LOT_DATE_ENTRIES_MAX: Final = 16  # production dates that corrections replaced
SUBJECT_SCOPES_MAX: Final = 256  # holds and recalls in force on one subject
SOURCES_INLINE_MAX: Final = 8
ARRIVING_ENTRIES_MAX: Final = 64  # adverse facts that goods on the way bring to a position
ADVERSE_ENTRIES_MAX: Final = 256  # about one subject, all of them shown; members fill half of it
PAIR_OPEN_ENTRIES_MAX: Final = 64  # open claims, and open ships that claims find, of one lot between two members

# State map
BUCKET_ENTRIES_MAX: Final = 8

# Log tiles (C2SP tlog-tiles)
TILE_HASHES: Final = 256

# Proofs, as read by a verifier
PROOF_BYTES_MAX: Final = 4 * 1024 * 1024
NOTE_BYTES_MAX: Final = 64 * 1024
NOTE_SIGNATURES_MAX: Final = 64
POLICY_CHARS_MAX: Final = 1024 * 1024  # with all those before it: some hundreds of policies of seven validators
POLICY_GROUP_ENTRIES_MAX: Final = 64
POLICY_GROUP_LEVELS_MAX: Final = 8  # of groups within groups
POLICY_NEEDED_CHARS_MAX: Final = 4  # digits of how many members a group needs
INCLUSION_HASHES_MAX: Final = 63

# Serving (node)
PAGE_ROWS_MAX: Final = 1000
PAGE_BYTES_MAX: Final = 2 * 1024 * 1024
CALLS_REQUESTS_MAX: Final = 2000  # at once on each port; beyond it the answer is RESOURCE_EXHAUSTED
CONNECTION_STREAMS_MAX: Final = 256  # calls at once on one connection
MEMBER_CONNECTION_SECONDS_MAX: Final = 24 * 3600  # then a connection ends, and its client opens another
READER_CONNECTION_SECONDS_MAX: Final = 600
CONNECTION_GRACE_SECONDS_MAX: Final = 60  # for calls that are under way then
MEMBER_STREAMS_MAX: Final = 8  # subscriptions of one member at once, and likewise replays
MEMBER_SUBMIT_STREAMS_MAX: Final = 32
EVENT_BLOCKS_MAX: Final = 64  # read for one message of a subscription
EVENT_LEAVES_MAX: Final = 4096  # passed over in silence before a subscriber is told how far it came
EVENTS_BYTES_MAX: Final = 32 * 1024 * 1024  # of events that a node remembers for its subscribers
PRIVATE_ENTRIES_MAX: Final = 1000  # openings in one call
REFS_ENTRIES_MAX: Final = 4096  # document lines in one question
STREAM_ENVELOPES_MAX: Final = 2048  # in flight on one submit stream
STREAM_BYTES_MAX: Final = 8 * 1024 * 1024
STREAM_IDLE_SECONDS_MAX: Final = 600  # a submit stream with nothing in flight, on which nothing comes

# HTTP, for anybody (node)
HTTP_CONNECTIONS_MAX: Final = 512
HTTP_CLIENT_CONNECTIONS_MAX: Final = 64  # from one IPv4 address or IPv6 /64
HTTP_HEAD_BYTES_MAX: Final = 16 * 1024  # request line and headers
HTTP_HEAD_SECONDS_MAX: Final = 10  # from a request's first byte until its head is there
HTTP_IDLE_SECONDS_MAX: Final = 15  # between requests, and before the first
HTTP_ANSWER_SECONDS_MAX: Final = 60  # from a request's head until its answer was taken
HTTP_BURST_SECONDS_MAX: Final = 10  # so much of its rate may an address use at once
HTTP_CLIENTS_ENTRIES_MAX: Final = 100_000  # addresses whose rate is remembered
HTTP_PROOFS_REQUESTS_MAX: Final = 64  # that wait for a product's proof
HTTP_PROOFS_BYTES_MAX: Final = 64 * 1024 * 1024  # of answers that are remembered until the next block
HTTP_PAGE_ROWS_MAX: Final = 100  # of a list on the member's page
HTTP_TARGET_BYTES_MAX: Final = 2048  # path and query
MEMBER_TOKEN_BYTES_MAX: Final = 1024
MEMBER_TOKEN_SECONDS_MAX: Final = 15 * 60

# The outbox of a member (client)
OUTBOX_ENVELOPES_MAX: Final = 100_000  # waiting, sent or refused
OUTBOX_DONE_ROWS_MAX: Final = 10_000  # receipts that are kept of what is done; nodes keep them all

# Two checkpoints that contradict each other (client)
EVIDENCE_BYTES_MAX: Final = 4 * 1024 * 1024

# Books that are imported (client)
BOOK_LINE_BYTES_MAX: Final = 64 * 1024
BOOK_QUOTED_LINES_MAX: Final = 32  # that one cell in quotes may span
BOOK_ROW_FIELDS_MAX: Final = 256  # of a sheet, the rest is passed over
BOOK_TITLE_LINES_MAX: Final = 10  # in which the headers are looked for
BOOK_CACHE_ROWS_MAX: Final = 50_000  # of an import's own tables in memory; the rest stands in a temporary file
BOOK_SHIPS_BYTES_MAX: Final = 32 * 1024 * 1024  # of waiting ships in memory; the rest stands in that file too
XLSX_SHEETS_BYTES_MAX: Final = 1024 * 1024 * 1024  # unpacked; read as a stream
XLSX_PARTS_BYTES_MAX: Final = 128 * 1024 * 1024  # unpacked; held in memory
MAPPING_BYTES_MAX: Final = 4 * 1024 * 1024
MAPPING_ENTRIES_MAX: Final = 100_000

# Disk (node): below the reserve of the setting free_bytes_min, or with fewer entries free, it takes nothing new
FREE_BYTES_MIN: Final = 16 * 1024 * 1024  # the smallest reserve that may be set: a block, its rows, and a compaction
FREE_ENTRIES_MIN: Final = 256  # inodes: files that can still be made

# Validators and their policies
VALIDATORS_ENTRIES_MAX: Final = 32  # what every reader of a C2SP policy is expected to take
POLICY_LIFETIME_MS_MIN: Final = 24 * 3600 * 1000  # of a new policy: time to name the next one
POLICY_DAYS_MAX: Final = 3650  # no owner consents to keys for longer
POLICY_STEPS_ENTRIES_MAX: Final = 64  # changes of validators that a reader follows in one go

# A network of validators (node)
ABCI_MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024  # from the node's own CometBFT: a block, its votes, and room
TX_UNPACKED_BYTES_MAX: Final = 2 * 1024 * 1024  # of the envelopes that travel as one transaction
TX_BYTES_MAX: Final = TX_UNPACKED_BYTES_MAX + 16 * 1024  # of those, packed, that cannot be packed smaller
CHECKED_BYTES_MAX: Final = 16 * 1024 * 1024  # of envelopes whose bytes and signature a node remembers as checked
COSIGNED_HEADS_ENTRIES_MAX: Final = 64  # that wait for a quorum, or for this node to store them
PEER_ANSWER_SECONDS_MAX: Final = 5
PEER_CONNECTIONS_MAX: Final = 256  # of other nodes, and whoever reaches cosign_port; each holds a letter at the most
PEER_CLIENT_CONNECTIONS_MAX: Final = 32  # from one IPv4 address or IPv6 /64
PEER_HEAD_SECONDS_MAX: Final = 10  # from a request's first byte until its head is there
PEER_IDLE_SECONDS_MAX: Final = 30  # between requests, and before the first; nodes leave their own after 15 s
PEER_CONNECTION_ANSWER_SECONDS_MAX: Final = 60  # from a request's head until its answer was taken
STRANGERS_ENTRIES_MAX: Final = 1000  # peers turned away that are remembered
WITNESS_WAIT_MS_MAX: Final = 5_000  # that a receipt waits for the quorum; then it says what is there
WITNESS_REQUESTS_MAX: Final = 16  # to this validator's witness endpoint that wait for the one before
EVIDENCE_ENTRIES_MAX: Final = 16  # of two histories, that a node keeps: two notes each
OUTSIDE_WITNESSES_ENTRIES_MAX: Final = 16
OUTSIDE_WAIT_SECONDS_MAX: Final = 2  # that a new version waits for the outside witnesses before readers get it
OUTSIDE_PAUSE_SECONDS_MAX: Final = 30  # between tries to reach an outside witness
COSIGNER_CLOCK_OFF_MS_MAX: Final = 120_000  # of a validator, against the others' cosignatures, one a minute
RPC_BATCH_REQUESTS_MAX: Final = 256  # transactions in one call to the node's own CometBFT
RPC_BATCH_BYTES_MAX: Final = 2 * 1024 * 1024  # of them, before base64
BEHIND_BLOCKS_MAX: Final = 20  # of CometBFT, behind a peer; beyond it a node does not keep up
QUORUM_OLD_MS_MAX: Final = 180_000  # each validator cosigns once a minute at least
STALLED_SECONDS_MAX: Final = 30  # without a block while transactions wait, or without a quorum for what is stored
PEER_OPENINGS_BYTES_MAX: Final = 1024 * 1024  # of private openings in one message to another node
PEER_OPENINGS_ENTRIES_MAX: Final = 256
PEER_LETTER_BYTES_MAX: Final = PEER_OPENINGS_BYTES_MAX + 64 * 1024  # of that message, sealed
PEER_LETTER_SECONDS_MAX: Final = 30  # until it has come, and until it is answered
PEER_LETTERS_REQUESTS_MAX: Final = 4  # that a node opens at once
PEER_WAITING_ENTRIES_MAX: Final = 100_000  # private openings that wait for one other node

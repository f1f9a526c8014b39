"""Purchase/sales books (进销存台账) as enterprises keep them: read, checked row by row, turned into acts."""

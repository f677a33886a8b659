"""Fill Metabase by its API: the first account, the connection to the marts, and starter content.

Everything is made once. What was made is recorded in PostgreSQL, so what its user renamed, moved, changed or deleted in
Metabase stays as it is.
"""

"""Fill Metabase by its API: the first account, the connection to the marts, and starter content.

Each object is created once, and its id is recorded in PostgreSQL. Later calls create nothing that is recorded, so an
object stays as a user renamed, moved, changed or deleted it in Metabase.
"""

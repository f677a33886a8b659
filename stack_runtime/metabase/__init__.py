"""Fill Metabase through its API: create the first account, the connection to the marts, and starter content.

The id of each created object is recorded in PostgreSQL. Later calls skip all recorded objects, so they do not undo what
a user renamed, moved, changed or deleted in Metabase.
"""

"""Fill Metabase through its API: create the first account, the connection to the marts, and starter content.

The ids of the created objects, except the account, are recorded in PostgreSQL. Later calls skip recorded objects, so
they do not undo what a user renamed, moved, changed or deleted in Metabase. Only a new password for the marts is
written into the existing connection.
"""

"""People in SQL: what they have chosen, relationships and blocks, each change under the locks of both."""

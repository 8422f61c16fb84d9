"""What was measured, for people and for machines: a table, a document, a page, a comparison."""

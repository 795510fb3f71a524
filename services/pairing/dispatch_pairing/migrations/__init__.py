"""How the schema came to be, a revision at a time. Run by sql/schema.py."""

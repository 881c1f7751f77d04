"""What a company gives: a mapping file, and the tables it names, read and cast."""

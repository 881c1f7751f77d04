"""What of the site is written from code, and links of the repository as links of the site."""

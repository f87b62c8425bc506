"""What is made of results: tables, what holds of what is aimed at, a plot, a page of the documentation."""

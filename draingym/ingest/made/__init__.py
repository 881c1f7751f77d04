"""What is made of a company's tables: geography, orders, views, boxes, stock, a log."""

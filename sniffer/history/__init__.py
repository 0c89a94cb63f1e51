"""What the sensor has seen over weeks: rows in SQLite, cases made of them, and questions to both."""

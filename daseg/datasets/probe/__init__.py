"""What a pipeline does to images and labels, found out on made pictures before it is used."""

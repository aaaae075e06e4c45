"""What a network says of pictures, of its preprocessing, and of single pixels."""

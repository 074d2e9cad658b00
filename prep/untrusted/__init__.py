"""What is read from outside, where no size, name or pickle is believed before it is checked."""

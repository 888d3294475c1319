"""What the sandbox knows of movies: its own ones, or a folder of recorded answers."""

"""What other libraries take of this one; each module needs an extra of its name."""

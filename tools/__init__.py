"""Tools of the project: fuzzing, kills, mutants, and the pages and pictures that runs are turned into."""

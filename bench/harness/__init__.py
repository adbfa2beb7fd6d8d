"""The overhead harness: what bench/run is made of. README.md of the folder above says how to use it and add to it."""

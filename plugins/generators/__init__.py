"""Write files from an analysis and its architectures. One folder per format."""

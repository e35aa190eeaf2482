"""What AutoStack knows about languages, formats and clouds: built-in plugins, found as a third party's are."""

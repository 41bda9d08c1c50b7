"""One module for each command of `imagenet-beam`."""

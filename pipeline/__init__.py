"""The whole conversion, wired from `imagenet_beam.transforms`."""

"""The backends behind `imagenet_beam.transforms.files`; nothing else imports them."""

"""The backends behind `imagenet_beam.transforms.storage.files`; nothing else imports them."""

"""tensorflow-datasets' own builder of ImageNet, on an archive of its manual folder."""

import sys

import tensorflow_datasets as tfds

if __name__ == "__main__":
    manual_dir, output = sys.argv[1:]
    config = tfds.download.DownloadConfig(manual_dir=manual_dir)
    builder = tfds.builder("imagenet2012", data_dir=output, try_gcs=False)
    builder.download_and_prepare(download_config=config)

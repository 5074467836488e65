"""Files that readers of data and judges of answers both read: COCO JSON, lists of images."""

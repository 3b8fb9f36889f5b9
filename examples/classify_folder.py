"""Sort the images of a folder by what a classifier says of them, where it is sure.

python examples/classify_folder.py MODEL FOLDER
"""

import sys
from collections import Counter

from yolorknn import Classifier

SURE = 0.5


def main(model: str, folder: str) -> None:
    """Print the most probable class of each image, and how many there are of each."""
    counts: Counter[str] = Counter()
    with Classifier(model) as classifier, classifier.stream(folder) as stream:
        for result in stream:
            (class_id, confidence), *_ = result.detections.top(1)
            name = classifier.names[class_id] if confidence >= SURE else "unsure"
            counts[name] += 1
            print(f"{result.source} {name} {confidence:.2f}")
    for name, count in counts.most_common():
        print(f"{count:>5} {name}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The weights of timm whose families are drawn by `importers/families`.

Sizes, parameters and accuracies are timm's own, of its results on ImageNet's validation examples at the size that the
weights learnt at (`results/results-imagenet.csv` of https://github.com/huggingface/pytorch-image-models), and so are
the licences. Networks with another stem, other pooling or other normalisation than their family's are left out.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from regraft.core.public import PublicNetwork

NAME = "timm"
TITLE = "timm, on the Hugging Face hub"
NOTE = "weights of the families that Regraft knows by the names in a state dict; once they are here, give their file"

# By architecture: millions of parameters, and of each of its weights the tag, the size, top-1 and top-5 in per cent.
_ROWS: dict[str, tuple[float, tuple[tuple[str, int, float, float], ...]]] = {
    "resnet18": (
        11.69,
        (
            ("a1_in1k", 224, 71.504, 90.086),
            ("a2_in1k", 224, 70.634, 89.486),
            ("a3_in1k", 224, 68.25, 88.172),
            ("tv_in1k", 224, 69.752, 89.082),
            ("fb_ssl_yfcc100m_ft_in1k", 224, 72.636, 91.416),
            ("fb_swsl_ig1b_ft_in1k", 224, 73.286, 91.754),
            ("gluon_in1k", 224, 70.844, 89.75),
        ),
    ),
    "resnet34": (
        21.8,
        (
            ("a1_in1k", 224, 76.42, 92.896),
            ("a2_in1k", 224, 75.52, 92.454),
            ("a3_in1k", 224, 72.996, 91.116),
            ("bt_in1k", 224, 75.176, 92.166),
            ("ra4_e3600_r224_in1k", 224, 77.492, 93.498),
            ("tv_in1k", 224, 73.298, 91.422),
            ("gluon_in1k", 224, 74.574, 91.988),
        ),
    ),
    "resnet26": (
        16.0,
        (("bt_in1k", 224, 75.298, 92.578),),
    ),
    "resnet50": (
        25.56,
        (
            ("a1_in1k", 224, 80.382, 94.598),
            ("a1h_in1k", 176, 79.264, 94.498),
            ("a2_in1k", 224, 79.828, 94.56),
            ("a3_in1k", 224, 78.052, 93.78),
            ("b1k_in1k", 224, 79.564, 94.622),
            ("b2k_in1k", 224, 79.388, 94.58),
            ("c1_in1k", 224, 79.766, 94.954),
            ("c2_in1k", 224, 79.868, 94.862),
            ("d_in1k", 224, 79.904, 94.666),
            ("ram_in1k", 224, 79.034, 94.386),
            ("am_in1k", 224, 79.004, 94.392),
            ("ra_in1k", 224, 78.82, 94.314),
            ("bt_in1k", 224, 78.444, 94.274),
            ("tv_in1k", 224, 76.156, 92.866),
            ("tv2_in1k", 176, 79.434, 94.64),
            ("fb_ssl_yfcc100m_ft_in1k", 224, 79.252, 94.826),
            ("fb_swsl_ig1b_ft_in1k", 224, 81.146, 95.98),
            ("gluon_in1k", 224, 77.58, 93.704),
        ),
    ),
    "resnet101": (
        44.55,
        (
            ("a1h_in1k", 224, 81.95, 95.76),
            ("a1_in1k", 224, 81.494, 95.164),
            ("a2_in1k", 224, 81.344, 95.198),
            ("a3_in1k", 224, 79.836, 94.608),
            ("tv_in1k", 224, 77.404, 93.552),
            ("tv2_in1k", 176, 79.908, 94.606),
            ("gluon_in1k", 224, 79.306, 94.538),
        ),
    ),
    "resnet152": (
        60.19,
        (
            ("a1h_in1k", 224, 82.818, 96.124),
            ("a1_in1k", 224, 81.998, 95.294),
            ("a2_in1k", 224, 81.764, 95.27),
            ("a3_in1k", 224, 80.548, 95.004),
            ("tv_in1k", 224, 78.33, 94.046),
            ("tv2_in1k", 176, 80.222, 94.65),
            ("gluon_in1k", 224, 79.712, 94.72),
        ),
    ),
    "wide_resnet50_2": (
        68.88,
        (
            ("racm_in1k", 224, 81.466, 95.544),
            ("tv_in1k", 224, 78.486, 94.084),
            ("tv2_in1k", 176, 80.442, 95.076),
        ),
    ),
    "wide_resnet101_2": (
        126.89,
        (
            ("tv_in1k", 224, 78.862, 94.312),
            ("tv2_in1k", 176, 80.494, 94.978),
        ),
    ),
    "resnext50_32x4d": (
        25.03,
        (
            ("a1h_in1k", 224, 81.14, 95.32),
            ("a1_in1k", 224, 80.526, 94.458),
            ("a2_in1k", 224, 80.444, 94.63),
            ("a3_in1k", 224, 79.258, 94.308),
            ("ra_in1k", 224, 79.8, 94.608),
            ("tv_in1k", 224, 77.632, 93.674),
            ("tv2_in1k", 176, 79.384, 94.302),
            ("fb_ssl_yfcc100m_ft_in1k", 224, 80.316, 95.386),
            ("fb_swsl_ig1b_ft_in1k", 224, 82.162, 96.224),
            ("gluon_in1k", 224, 79.354, 94.424),
        ),
    ),
    "resnext101_64x4d": (
        83.46,
        (
            ("c1_in1k", 224, 82.446, 95.92),
            ("tv_in1k", 224, 82.978, 96.252),
            ("gluon_in1k", 224, 80.64, 95.0),
        ),
    ),
    "resnext101_32x8d": (
        88.79,
        (
            ("tv_in1k", 224, 79.308, 94.53),
            ("tv2_in1k", 176, 81.99, 95.716),
            ("fb_wsl_ig1b_ft_in1k", 224, 82.72, 96.624),
            ("fb_ssl_yfcc100m_ft_in1k", 224, 81.62, 96.036),
            ("fb_swsl_ig1b_ft_in1k", 224, 84.276, 97.188),
        ),
    ),
    "resnext101_32x16d": (
        194.03,
        (
            ("fb_wsl_ig1b_ft_in1k", 224, 84.166, 97.192),
            ("fb_ssl_yfcc100m_ft_in1k", 224, 81.856, 96.084),
            ("fb_swsl_ig1b_ft_in1k", 224, 83.34, 96.844),
        ),
    ),
    "resnext101_32x32d": (
        468.53,
        (("fb_wsl_ig1b_ft_in1k", 224, 85.09, 97.442),),
    ),
    "resnext101_32x4d": (
        44.18,
        (
            ("fb_ssl_yfcc100m_ft_in1k", 224, 80.936, 95.732),
            ("fb_swsl_ig1b_ft_in1k", 224, 83.268, 96.76),
            ("gluon_in1k", 224, 80.336, 94.908),
        ),
    ),
    "densenet121": (
        7.98,
        (
            ("ra_in1k", 224, 75.574, 92.648),
            ("tv_in1k", 224, 74.75, 92.158),
        ),
    ),
    "densenet169": (
        14.15,
        (("tv_in1k", 224, 75.922, 92.976),),
    ),
    "densenet201": (
        20.01,
        (("tv_in1k", 224, 77.284, 93.48),),
    ),
    "densenet161": (
        28.68,
        (("tv_in1k", 224, 77.384, 93.656),),
    ),
    "mobilenetv2_050": (
        1.97,
        (("lamb_in1k", 224, 65.928, 86.114),),
    ),
    "mobilenetv2_100": (
        3.5,
        (("ra_in1k", 224, 72.91, 91.0),),
    ),
    "mobilenetv2_110d": (
        4.52,
        (("ra_in1k", 224, 75.056, 92.186),),
    ),
    "mobilenetv2_120d": (
        5.83,
        (("ra_in1k", 224, 77.3, 93.516),),
    ),
    "mobilenetv2_140": (
        6.11,
        (("ra_in1k", 224, 76.528, 93.008),),
    ),
    "efficientnet_b0": (
        5.29,
        (
            ("ra_in1k", 224, 77.698, 93.538),
            ("ra4_e3600_r224_in1k", 224, 78.568, 94.34),
        ),
    ),
    "efficientnet_b1": (
        7.79,
        (
            ("ra4_e3600_r240_in1k", 240, 80.404, 95.152),
            ("ft_in1k", 224, 77.592, 93.636),
        ),
    ),
    "efficientnet_b2": (
        9.11,
        (("ra_in1k", 256, 79.324, 94.582),),
    ),
    "efficientnet_b3": (
        12.23,
        (("ra2_in1k", 288, 81.472, 95.696),),
    ),
    "efficientnet_b4": (
        19.34,
        (("ra2_in1k", 320, 82.658, 96.134),),
    ),
    "efficientnet_b5": (
        30.39,
        (("sw_in12k_ft_in1k", 448, 85.894, 97.742),),
    ),
    "tf_efficientnet_b0": (
        5.29,
        (
            ("ns_jft_in1k", 224, 78.68, 94.372),
            ("ap_in1k", 224, 77.1, 93.258),
            ("aa_in1k", 224, 76.882, 93.27),
            ("in1k", 224, 76.542, 93.008),
        ),
    ),
    "tf_efficientnet_b1": (
        7.79,
        (
            ("ns_jft_in1k", 240, 81.388, 95.756),
            ("ap_in1k", 240, 79.288, 94.316),
            ("aa_in1k", 240, 78.84, 94.202),
            ("in1k", 240, 78.546, 94.096),
        ),
    ),
    "tf_efficientnet_b2": (
        9.11,
        (
            ("ns_jft_in1k", 260, 82.412, 96.238),
            ("ap_in1k", 260, 80.3, 95.032),
            ("aa_in1k", 260, 80.074, 94.906),
            ("in1k", 260, 79.612, 94.714),
        ),
    ),
    "tf_efficientnet_b3": (
        12.23,
        (
            ("ns_jft_in1k", 300, 84.054, 96.926),
            ("ap_in1k", 300, 81.842, 95.614),
            ("aa_in1k", 300, 81.648, 95.724),
            ("in1k", 300, 80.878, 95.308),
        ),
    ),
    "tf_efficientnet_b4": (
        19.34,
        (
            ("ns_jft_in1k", 380, 85.156, 97.482),
            ("ap_in1k", 380, 83.246, 96.392),
            ("aa_in1k", 380, 83.04, 96.298),
            ("in1k", 380, 82.598, 96.132),
        ),
    ),
    "tf_efficientnet_b5": (
        30.39,
        (
            ("ns_jft_in1k", 456, 86.096, 97.744),
            ("ap_in1k", 456, 84.258, 96.984),
            ("ra_in1k", 456, 83.834, 96.764),
            ("aa_in1k", 456, 83.696, 96.712),
            ("in1k", 456, 83.17, 96.534),
        ),
    ),
    "tf_efficientnet_b6": (
        43.04,
        (
            ("ns_jft_in1k", 528, 86.476, 97.864),
            ("ap_in1k", 528, 84.794, 97.138),
            ("aa_in1k", 528, 84.124, 96.89),
        ),
    ),
    "tf_efficientnet_b7": (
        66.35,
        (
            ("ns_jft_in1k", 600, 86.85, 98.08),
            ("ap_in1k", 600, 85.132, 97.256),
            ("ra_in1k", 600, 84.926, 97.22),
            ("aa_in1k", 600, 84.424, 96.908),
        ),
    ),
    "convnext_tiny": (
        28.59,
        (
            ("in12k_ft_in1k", 224, 84.192, 97.132),
            ("in12k_ft_in1k_384", 384, 85.154, 97.634),
            ("fb_in22k_ft_in1k", 224, 82.9, 96.616),
            ("fb_in1k", 224, 82.066, 95.854),
            ("fb_in22k_ft_in1k_384", 384, 84.098, 97.138),
        ),
    ),
    "convnext_small": (
        50.22,
        (
            ("in12k_ft_in1k", 224, 85.164, 97.502),
            ("in12k_ft_in1k_384", 384, 86.186, 97.92),
            ("fb_in22k_ft_in1k", 224, 84.582, 97.414),
            ("fb_in1k", 224, 83.144, 96.432),
            ("fb_in22k_ft_in1k_384", 384, 85.752, 97.878),
        ),
    ),
    "convnext_atto": (
        3.7,
        (("d2_in1k", 224, 75.672, 92.914),),
    ),
    "convnext_femto": (
        5.22,
        (("d1_in1k", 224, 77.498, 93.678),),
    ),
    "convnext_pico": (
        9.05,
        (("d1_in1k", 224, 79.516, 94.554),),
    ),
    "convnext_nano": (
        15.59,
        (
            ("in12k_ft_in1k", 224, 82.306, 96.338),
            ("d1h_in1k", 224, 80.762, 95.332),
            ("r384_in12k_ft_in1k", 384, 83.334, 96.624),
        ),
    ),
    "convnext_base": (
        88.59,
        (
            ("fb_in22k_ft_in1k", 224, 85.814, 97.856),
            ("fb_in1k", 224, 83.838, 96.746),
            ("fb_in22k_ft_in1k_384", 384, 86.826, 98.244),
            ("clip_laion2b_augreg_ft_in12k_in1k", 256, 86.378, 97.976),
            ("clip_laion2b_augreg_ft_in12k_in1k_384", 384, 87.144, 98.228),
            ("clip_laion2b_augreg_ft_in1k", 256, 86.184, 97.674),
            ("clip_laiona_augreg_ft_in1k_384", 384, 86.49, 97.96),
        ),
    ),
    "convnext_large": (
        197.77,
        (
            ("fb_in22k_ft_in1k", 224, 86.612, 98.036),
            ("fb_in1k", 224, 84.304, 96.892),
            ("fb_in22k_ft_in1k_384", 384, 87.456, 98.38),
        ),
    ),
    "convnext_xlarge": (
        350.2,
        (
            ("fb_in22k_ft_in1k", 224, 86.97, 98.204),
            ("fb_in22k_ft_in1k_384", 384, 87.764, 98.552),
        ),
    ),
    "vgg11": (
        132.86,
        (("tv_in1k", 224, 69.05, 88.63),),
    ),
    "vgg13": (
        133.05,
        (("tv_in1k", 224, 69.95, 89.262),),
    ),
    "vgg16": (
        138.36,
        (("tv_in1k", 224, 71.594, 90.398),),
    ),
    "vgg19": (
        143.67,
        (("tv_in1k", 224, 72.4, 90.878),),
    ),
    "vgg11_bn": (
        132.87,
        (("tv_in1k", 224, 70.374, 89.802),),
    ),
    "vgg13_bn": (
        133.05,
        (("tv_in1k", 224, 71.56, 90.372),),
    ),
    "vgg16_bn": (
        138.37,
        (("tv_in1k", 224, 73.354, 91.49),),
    ),
    "vgg19_bn": (
        143.68,
        (("tv_in1k", 224, 74.23, 91.848),),
    ),
}

# What a tag says of the examples.
_LEARNT_FROM = (
    ("in22k", "ImageNet-22k"),
    ("in12k", "ImageNet-12k"),
    ("jft", "JFT-300M without labels"),
    ("ig1b", "a billion pictures of Instagram"),
    ("yfcc100m", "YFCC-100M"),
    ("clip_laion2b", "LAION-2B"),
    ("clip_laiona", "LAION-Aesthetics"),
    ("in1k", "ImageNet-1k"),
)


def networks() -> tuple[PublicNetwork, ...]:
    """All of them, the most accurate first; with their file where it lies in Hugging Face's folder."""
    known = (_network(arch, millions, *row) for arch, (millions, rows) in _ROWS.items() for row in rows)
    return tuple(sorted(known, key=lambda network: -(network.top1 or 0)))


def folder() -> Path:
    """Where Hugging Face's own programs keep what they downloaded; the same rule as theirs."""
    if cache := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(cache)
    home = os.environ.get("HF_HOME")
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (Path(home) if home else cached / "huggingface") / "hub"


def _network(arch: str, millions: float, tag: str, size: int, top1: float, top5: float) -> PublicNetwork:
    name = f"{arch}.{tag}"
    here = next(_files(name), "")
    return PublicNetwork(
        zoo=NAME,
        name=name,
        source=here or "model.safetensors of the download",
        family=_family(arch),
        size=size,
        parameters=round(millions * 1e6),
        rounded=True,
        learnt_from=_learnt_from(tag),
        top1=round(top1 / 100, 5),
        top5=round(top5 / 100, 5),
        licence=_licence(arch, tag),
        get=f"hf download timm/{name} config.json model.safetensors",
        needs="huggingface_hub",
        here=here,
    )


def _files(name: str) -> Iterator[str]:
    for path in sorted((folder() / f"models--timm--{name}" / "snapshots").glob("*/model.safetensors")):
        if path.is_file():
            yield str(path)


def _family(arch: str) -> str:
    """The file of `importers/families` that draws it."""
    known = ("densenet", "convnext", "vgg")
    if arch.startswith("mobilenetv2"):
        return "mobilenet_v2"
    if "efficientnet" in arch:
        return "efficientnet"
    return next((family for family in known if arch.startswith(family)), "resnet")


def _learnt_from(tag: str) -> str:
    # The order of the tag is the order of training.
    found = sorted((tag.index(mark), said) for mark, said in _LEARNT_FROM if mark in tag)
    return ", then ".join(said for _, said in found) if found else "ImageNet-1k"


def _licence(arch: str, tag: str) -> str:
    if tag.startswith(("fb_ssl", "fb_swsl", "fb_wsl")):
        return "CC-BY-NC-4.0"
    # Of torchvision's weights timm says so of all but DenseNet's.
    return "BSD-3-Clause" if tag.startswith(("tv_", "tv2_")) and not arch.startswith("densenet") else "Apache-2.0"

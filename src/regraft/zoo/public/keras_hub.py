"""Presets of KerasHub that are encoders: of pictures, and of texts.

Names, versions and parameters are those of KerasHub 0.32. Its presets for generating, detecting and segmenting are
left out, and three EfficientNets whose address there is another network's. KerasHub publishes neither accuracies nor
licences in one place. Nearly all of its weights are others', converted; its own scripts (`tools/checkpoint_conversion`
of https://github.com/keras-team/keras-hub) say whose, and accuracies and licences are what those state.
"""

import os
from pathlib import Path

from regraft.core.public import PublicNetwork, Takes

NAME = "keras-hub"
TITLE = "presets of KerasHub, encoders of pictures and texts"
NOTE = (
    "opening one downloads it and needs keras-hub; licences are of those who trained the weights, https://www.kaggle.com/"
    "models/keras has the terms of the download; encoders of texts take several inputs: they can be opened, but `fit` "
    "takes networks with one"
)

_Row = tuple[str, str, int, int, int | None]

# By family: name, what Kaggle calls the group, version, parameters, and pixels where they are said.
_PICTURES: dict[str, tuple[_Row, ...]] = {
    "cspnet": (
        ("csp_darknet_53_ra_imagenet", "cspdarknet", 2, 27_642_184, 256),
        ("csp_resnext_50_ra_imagenet", "cspdarknet", 1, 20_569_896, 256),
        ("csp_resnet_50_ra_imagenet", "cspdarknet", 1, 21_616_168, 256),
        ("darknet_53_imagenet", "cspdarknet", 1, 41_609_928, 256),
    ),
    "deit": (
        ("deit_base_distilled_patch16_384_imagenet", "deit", 1, 86_092_032, 384),
        ("deit_base_distilled_patch16_224_imagenet", "deit", 1, 85_800_192, 224),
        ("deit_tiny_distilled_patch16_224_imagenet", "deit", 1, 5_524_800, 224),
        ("deit_small_distilled_patch16_224_imagenet", "deit", 1, 21_666_432, 224),
    ),
    "densenet": (
        ("densenet_121_imagenet", "densenet", 3, 7_037_504, 224),
        ("densenet_169_imagenet", "densenet", 3, 12_642_880, 224),
        ("densenet_201_imagenet", "densenet", 3, 18_321_984, 224),
    ),
    "dinov2": (
        ("dinov2_small", "dinov2", 1, 22_582_656, None),
        ("dinov2_base", "dinov2", 1, 87_632_640, None),
        ("dinov2_large", "dinov2", 1, 305_771_520, None),
        ("dinov2_giant", "dinov2", 1, 1_138_585_088, None),
        ("dinov2_with_registers_small", "dinov2", 1, 22_584_192, None),
        ("dinov2_with_registers_base", "dinov2", 1, 87_635_712, None),
        ("dinov2_with_registers_large", "dinov2", 1, 305_775_616, None),
        ("dinov2_with_registers_giant", "dinov2", 1, 1_138_591_232, None),
    ),
    "efficientnet": (
        ("efficientnet_b0_ra_imagenet", "efficientnet", 2, 5_288_548, 224),
        ("efficientnet_b0_ra4_e3600_r224_imagenet", "efficientnet", 2, 5_288_548, 224),
        ("efficientnet_b1_ft_imagenet", "efficientnet", 5, 7_794_184, 224),
        ("efficientnet_b1_ra4_e3600_r240_imagenet", "efficientnet", 2, 7_794_184, 240),
        ("efficientnet_b2_ra_imagenet", "efficientnet", 2, 9_109_994, 256),
        ("efficientnet_b3_ra2_imagenet", "efficientnet", 2, 12_233_232, 288),
        ("efficientnet_b4_ra2_imagenet", "efficientnet", 2, 19_341_616, 320),
        ("efficientnet_b5_sw_imagenet", "efficientnet", 2, 30_389_784, 416),
        ("efficientnet_b5_sw_ft_imagenet", "efficientnet", 2, 30_389_784, 448),
        ("efficientnet2_rw_m_agc_imagenet", "efficientnet", 2, 53_236_442, 320),
        ("efficientnet2_rw_s_ra2_imagenet", "efficientnet", 2, 23_941_296, 288),
        ("efficientnet2_rw_t_ra2_imagenet", "efficientnet", 2, 13_649_388, 224),
        ("efficientnet_lite0_ra_imagenet", "efficientnet", 2, 4_652_008, 224),
    ),
    "hgnetv2": (
        ("hgnetv2_b4_ssld_stage2_ft_in1k", "hgnetv2", 1, 13_599_072, 224),
        ("hgnetv2_b5_ssld_stage1_in22k_in1k", "hgnetv2", 1, 33_419_680, 224),
        ("hgnetv2_b5_ssld_stage2_ft_in1k", "hgnetv2", 1, 33_419_680, 224),
        ("hgnetv2_b6_ssld_stage1_in22k_in1k", "hgnetv2", 1, 69_179_888, 224),
        ("hgnetv2_b6_ssld_stage2_ft_in1k", "hgnetv2", 1, 69_179_888, 224),
    ),
    "mit": (
        ("mit_b0_ade20k_512", "mit", 4, 3_321_962, 512),
        ("mit_b1_ade20k_512", "mit", 4, 13_156_554, 512),
        ("mit_b2_ade20k_512", "mit", 4, 24_201_418, 512),
        ("mit_b3_ade20k_512", "mit", 3, 44_077_258, 512),
        ("mit_b4_ade20k_512", "mit", 3, 60_847_818, 512),
        ("mit_b5_ade20k_640", "mit", 3, 81_448_138, 640),
        ("mit_b0_cityscapes_1024", "mit", 3, 3_321_962, 1024),
        ("mit_b1_cityscapes_1024", "mit", 3, 13_156_554, 1024),
        ("mit_b2_cityscapes_1024", "mit", 3, 24_201_418, 1024),
        ("mit_b3_cityscapes_1024", "mit", 3, 44_077_258, 1024),
        ("mit_b4_cityscapes_1024", "mit", 3, 60_847_818, 1024),
        ("mit_b5_cityscapes_1024", "mit", 3, 81_448_138, 1024),
    ),
    "mobilenet": (
        ("mobilenet_v3_small_050_imagenet", "mobilenetv3", 1, 278_784, 224),
        ("mobilenet_v3_small_100_imagenet", "mobilenetv3", 1, 939_120, 224),
        ("mobilenet_v3_large_100_imagenet", "mobilenetv3", 1, 2_996_352, 224),
        ("mobilenet_v3_large_100_imagenet_21k", "mobilenetv3", 1, 2_996_352, 224),
    ),
    "resnet": (
        ("resnet_18_imagenet", "resnetv1", 3, 11_186_112, 224),
        ("resnet_50_imagenet", "resnetv1", 3, 23_561_152, 224),
        ("resnet_101_imagenet", "resnetv1", 3, 42_605_504, 224),
        ("resnet_152_imagenet", "resnetv1", 3, 58_295_232, 224),
        ("resnet_v2_50_imagenet", "resnetv2", 3, 23_561_152, 224),
        ("resnet_v2_101_imagenet", "resnetv2", 3, 42_605_504, 224),
        ("resnet_vd_18_imagenet", "resnet_vd", 2, 11_722_824, 224),
        ("resnet_vd_34_imagenet", "resnet_vd", 2, 21_838_408, 224),
        ("resnet_vd_50_imagenet", "resnet_vd", 2, 25_629_512, 224),
        ("resnet_vd_50_ssld_imagenet", "resnet_vd", 2, 25_629_512, 224),
        ("resnet_vd_50_ssld_v2_imagenet", "resnet_vd", 2, 25_629_512, 224),
        ("resnet_vd_50_ssld_v2_fix_imagenet", "resnet_vd", 2, 25_629_512, 224),
        ("resnet_vd_101_imagenet", "resnet_vd", 2, 44_673_864, 224),
        ("resnet_vd_101_ssld_imagenet", "resnet_vd", 2, 44_673_864, 224),
        ("resnet_vd_152_imagenet", "resnet_vd", 2, 60_363_592, 224),
        ("resnet_vd_200_imagenet", "resnet_vd", 2, 74_933_064, 224),
    ),
    "swin_transformer": (
        ("swin_tiny_patch4_window7_224", "swin-transformer", 1, 27_519_354, 224),
        ("swin_small_patch4_window7_224", "swin-transformer", 1, 48_837_258, 224),
        ("swin_base_patch4_window7_224", "swin-transformer", 1, 86_743_224, 224),
        ("swin_base_patch4_window12_384", "swin-transformer", 1, 86_878_584, 384),
        ("swin_large_patch4_window7_224", "swin-transformer", 1, 194_995_476, 224),
        ("swin_large_patch4_window12_384", "swin-transformer", 1, 195_198_516, 384),
    ),
    "vgg": (
        ("vgg_11_imagenet", "vgg", 3, 9_220_480, 224),
        ("vgg_13_imagenet", "vgg", 3, 9_404_992, 224),
        ("vgg_16_imagenet", "vgg", 3, 14_714_688, 224),
        ("vgg_19_imagenet", "vgg", 3, 20_024_384, 224),
    ),
    "vit": (
        ("vit_base_patch16_224_imagenet", "vit", 4, 85_798_656, 224),
        ("vit_base_patch16_384_imagenet", "vit", 4, 86_090_496, 384),
        ("vit_large_patch16_224_imagenet", "vit", 4, 303_301_632, 224),
        ("vit_large_patch16_384_imagenet", "vit", 4, 303_690_752, 384),
        ("vit_base_patch32_384_imagenet", "vit", 3, 87_528_192, 384),
        ("vit_large_patch32_384_imagenet", "vit", 3, 305_607_680, 384),
        ("vit_base_patch16_224_imagenet21k", "vit", 3, 85_798_656, 224),
        ("vit_base_patch32_224_imagenet21k", "vit", 3, 87_455_232, 224),
        ("vit_huge_patch14_224_imagenet21k", "vit", 3, 630_764_800, 224),
        ("vit_large_patch16_224_imagenet21k", "vit", 3, 303_301_632, 224),
        ("vit_large_patch32_224_imagenet21k", "vit", 3, 305_510_400, 224),
    ),
    "xception": (("xception_41_imagenet", "xception", 2, 20_861_480, 299),),
}
_TEXTS: dict[str, tuple[_Row, ...]] = {
    "albert": (
        ("albert_base_en_uncased", "albert", 5, 11_683_584, None),
        ("albert_large_en_uncased", "albert", 3, 17_683_968, None),
        ("albert_extra_large_en_uncased", "albert", 3, 58_724_864, None),
        ("albert_extra_extra_large_en_uncased", "albert", 3, 222_595_584, None),
    ),
    "bert": (
        ("bert_tiny_en_uncased", "bert", 3, 4_385_920, None),
        ("bert_small_en_uncased", "bert", 3, 28_763_648, None),
        ("bert_medium_en_uncased", "bert", 3, 41_373_184, None),
        ("bert_base_en_uncased", "bert", 3, 109_482_240, None),
        ("bert_base_en", "bert", 3, 108_310_272, None),
        ("bert_base_zh", "bert", 3, 102_267_648, None),
        ("bert_base_multi", "bert", 3, 177_853_440, None),
        ("bert_large_en_uncased", "bert", 3, 335_141_888, None),
        ("bert_large_en", "bert", 3, 333_579_264, None),
        ("bert_tiny_en_uncased_sst2", "bert", 5, 4_385_920, None),
        ("all_minilm_l6_v2_en", "sentence-transformers", 1, 22_713_216, None),
        ("all_minilm_l6_v1_en", "sentence-transformers", 1, 22_713_216, None),
        ("all_minilm_l12_v2_en", "sentence-transformers", 1, 33_360_000, None),
        ("paraphrase_minilm_l3_v2_en", "sentence-transformers", 1, 17_066_496, None),
        ("paraphrase_minilm_l6_v2_en", "sentence-transformers", 1, 22_713_216, None),
        ("paraphrase_minilm_l12_v2_en", "sentence-transformers", 1, 33_360_000, None),
        ("multi_qa_minilm_l6_cos_v1_en", "sentence-transformers", 1, 22_713_216, None),
        ("multi_qa_minilm_l6_dot_v1_en", "sentence-transformers", 1, 22_713_216, None),
        ("msmarco_minilm_l6_cos_v5_en", "sentence-transformers", 1, 22_713_216, None),
        ("msmarco_minilm_l12_cos_v5_en", "sentence-transformers", 1, 33_360_000, None),
        ("bge_small_en", "bge", 1, 33_360_000, None),
        ("bge_base_en", "bge", 1, 109_482_240, None),
        ("bge_large_en", "bge", 1, 335_141_888, None),
        ("bge_small_v1.5_en", "bge", 1, 33_360_000, None),
        ("bge_base_v1.5_en", "bge", 1, 109_482_240, None),
        ("bge_large_v1.5_en", "bge", 1, 335_141_888, None),
        ("bge_base_zh", "bge", 1, 102_267_648, None),
        ("bge_large_zh", "bge", 1, 325_522_432, None),
        ("bge_small_v1.5_zh", "bge", 1, 23_953_920, None),
        ("bge_base_v1.5_zh", "bge", 1, 102_267_648, None),
        ("bge_large_v1.5_zh", "bge", 1, 325_522_432, None),
        ("bge_llm_embedder", "bge", 1, 109_482_240, None),
        ("multilingual_e5_small", "multilingual-e5", 1, 117_653_760, None),
        ("mxbai_embed_large_v1_en", "mxbai-embed", 1, 335_141_888, None),
        ("mxbai_embed_2d_large_v1_en", "mxbai-embed", 1, 335_141_888, None),
        ("mxbai_embed_xsmall_v1_en", "mxbai-embed", 1, 24_089_472, None),
    ),
    "deberta_v3": (
        ("deberta_v3_extra_small_en", "deberta_v3", 3, 70_682_112, None),
        ("deberta_v3_small_en", "deberta_v3", 3, 141_304_320, None),
        ("deberta_v3_base_en", "deberta_v3", 3, 183_831_552, None),
        ("deberta_v3_large_en", "deberta_v3", 3, 434_012_160, None),
        ("deberta_v3_base_multi", "deberta_v3", 3, 278_218_752, None),
    ),
    "distil_bert": (
        ("distil_bert_base_en_uncased", "distil_bert", 3, 66_362_880, None),
        ("distil_bert_base_en", "distil_bert", 3, 65_190_912, None),
        ("distil_bert_base_multi", "distil_bert", 3, 134_734_080, None),
    ),
    "electra": (
        ("electra_small_discriminator_uncased_en", "electra", 2, 13_548_800, None),
        ("electra_small_generator_uncased_en", "electra", 2, 13_548_800, None),
        ("electra_base_discriminator_uncased_en", "electra", 2, 109_482_240, None),
        ("electra_base_generator_uncased_en", "electra", 2, 33_576_960, None),
        ("electra_large_discriminator_uncased_en", "electra", 2, 335_141_888, None),
        ("electra_large_generator_uncased_en", "electra", 2, 51_065_344, None),
    ),
    "f_net": (
        ("f_net_base_en", "f_net", 3, 82_861_056, None),
        ("f_net_large_en", "f_net", 3, 236_945_408, None),
    ),
    "roberta": (
        ("roberta_base_en", "roberta", 3, 124_052_736, None),
        ("roberta_large_en", "roberta", 3, 354_307_072, None),
    ),
    "xlm_roberta": (
        ("xlm_roberta_base_multi", "xlm_roberta", 3, 277_450_752, None),
        ("xlm_roberta_large_multi", "xlm_roberta", 3, 558_837_760, None),
        ("bge_m3", "bge", 1, 566_702_080, None),
        ("multilingual_e5_base", "multilingual-e5", 1, 277_450_752, None),
        ("multilingual_e5_large", "multilingual-e5", 1, 558_837_760, None),
    ),
}
# Top-1 and top-5 on ImageNet's validation examples, in per cent, of the weights that were converted.
_JUDGED: dict[str, tuple[float, float | None]] = {
    # Of timm (`results/results-imagenet.csv`), at the size above; it measured those of DeiT, Swin and ViT too.
    "csp_darknet_53_ra_imagenet": (80.078, 95.06),
    "csp_resnext_50_ra_imagenet": (80.548, 95.33),
    "csp_resnet_50_ra_imagenet": (79.578, 94.698),
    "darknet_53_imagenet": (80.008, 95.046),
    "deit_base_distilled_patch16_384_imagenet": (85.438, 97.332),
    "deit_base_distilled_patch16_224_imagenet": (83.384, 96.492),
    "deit_tiny_distilled_patch16_224_imagenet": (74.538, 91.898),
    "deit_small_distilled_patch16_224_imagenet": (81.204, 95.378),
    "densenet_121_imagenet": (74.75, 92.158),
    "densenet_169_imagenet": (75.922, 92.976),
    "densenet_201_imagenet": (77.284, 93.48),
    "efficientnet_b0_ra_imagenet": (77.698, 93.538),
    "efficientnet_b0_ra4_e3600_r224_imagenet": (78.568, 94.34),
    "efficientnet_b1_ft_imagenet": (77.592, 93.636),
    "efficientnet_b1_ra4_e3600_r240_imagenet": (80.404, 95.152),
    "efficientnet_b2_ra_imagenet": (79.324, 94.582),
    "efficientnet_b3_ra2_imagenet": (81.472, 95.696),
    "efficientnet_b4_ra2_imagenet": (82.658, 96.134),
    "efficientnet_b5_sw_ft_imagenet": (85.894, 97.742),
    "efficientnet2_rw_m_agc_imagenet": (84.296, 96.872),
    "efficientnet2_rw_s_ra2_imagenet": (82.888, 96.328),
    "efficientnet2_rw_t_ra2_imagenet": (81.37, 95.55),
    "efficientnet_lite0_ra_imagenet": (75.488, 92.508),
    "hgnetv2_b4_ssld_stage2_ft_in1k": (83.7, 96.788),
    "hgnetv2_b5_ssld_stage1_in22k_in1k": (84.456, 97.218),
    "hgnetv2_b5_ssld_stage2_ft_in1k": (84.824, 97.294),
    "hgnetv2_b6_ssld_stage1_in22k_in1k": (86.052, 97.806),
    "hgnetv2_b6_ssld_stage2_ft_in1k": (86.206, 97.81),
    "mobilenet_v3_small_050_imagenet": (57.918, 80.144),
    "mobilenet_v3_small_100_imagenet": (67.636, 87.638),
    "mobilenet_v3_large_100_imagenet": (75.784, 92.528),
    "mobilenet_v3_large_100_imagenet_21k": (77.92, 92.894),
    "resnet_18_imagenet": (71.504, 90.086),
    "resnet_50_imagenet": (80.382, 94.598),
    "resnet_101_imagenet": (81.494, 95.164),
    "resnet_152_imagenet": (81.998, 95.294),
    "resnet_v2_50_imagenet": (80.41, 95.082),
    "resnet_v2_101_imagenet": (82.042, 95.866),
    "swin_tiny_patch4_window7_224": (81.388, 95.54),
    "swin_small_patch4_window7_224": (83.228, 96.326),
    "swin_base_patch4_window7_224": (83.604, 96.45),
    "swin_base_patch4_window12_384": (84.478, 96.886),
    "swin_large_patch4_window7_224": (86.32, 97.89),
    "swin_large_patch4_window12_384": (87.142, 98.228),
    "vgg_11_imagenet": (69.05, 88.63),
    "vgg_13_imagenet": (69.95, 89.262),
    "vgg_16_imagenet": (71.594, 90.398),
    "vgg_19_imagenet": (72.4, 90.878),
    "vit_base_patch16_224_imagenet": (81.782, 96.122),
    "vit_base_patch16_384_imagenet": (84.212, 97.21),
    "vit_large_patch32_384_imagenet": (81.508, 96.086),
    "xception_41_imagenet": (78.55, 94.282),
    # Of PaddleClas, to a tenth of a per cent.
    "resnet_vd_18_imagenet": (72.3, 90.8),
    "resnet_vd_34_imagenet": (76.0, 93.0),
    "resnet_vd_50_imagenet": (79.1, 94.4),
    "resnet_vd_50_ssld_imagenet": (82.4, 96.1),
    "resnet_vd_50_ssld_v2_imagenet": (83.0, 96.4),
    "resnet_vd_50_ssld_v2_fix_imagenet": (84.0, 97.0),
    "resnet_vd_101_imagenet": (80.2, 95.0),
    "resnet_vd_101_ssld_imagenet": (83.7, 96.7),
    "resnet_vd_152_imagenet": (80.6, 95.3),
    "resnet_vd_200_imagenet": (80.9, 95.3),
    # Of Google's vision_transformer, where timm has none; of two runs the lower.
    "vit_large_patch16_224_imagenet": (82.7, None),
    "vit_large_patch16_384_imagenet": (85.05, None),
    "vit_base_patch32_384_imagenet": (81.79, None),
    # Of a linear classifier on the frozen encoder, as its authors measured it.
    "dinov2_small": (81.1, None),
    "dinov2_base": (84.5, None),
    "dinov2_large": (86.3, None),
    "dinov2_giant": (86.5, None),
    "dinov2_with_registers_small": (80.9, None),
    "dinov2_with_registers_base": (84.6, None),
    "dinov2_with_registers_large": (86.7, None),
    "dinov2_with_registers_giant": (87.1, None),
}
# By what Kaggle calls the group.
_LICENCES = {
    "Apache-2.0": (
        *("cspdarknet", "deit", "densenet", "dinov2", "efficientnet", "hgnetv2", "mobilenetv3", "resnetv1", "resnetv2"),
        *("resnet_vd", "vit", "xception", "albert", "bert", "distil_bert", "electra", "f_net", "mxbai-embed"),
        "sentence-transformers",
    ),
    "BSD-3-Clause": ("vgg",),
    "MIT": ("swin-transformer", "bge", "deberta_v3", "multilingual-e5", "roberta", "xlm_roberta"),
    "NVIDIA Source Code License for SegFormer": ("mit",),
}
# Of these their publishers say no licence that we know.
_NOT_SAID = ("msmarco_", "multi_qa_")
# What the names and families say of the examples; the first that is in "family name" counts.
_LEARNT_FROM = (
    ("imagenet_21k", "ImageNet-21k, then ImageNet-1k"),
    ("imagenet21k", "ImageNet-21k"),
    ("vit vit_", "ImageNet-21k, then ImageNet-1k"),
    ("in22k", "ImageNet-22k, then ImageNet-1k"),
    ("swin_large", "ImageNet-22k, then ImageNet-1k"),
    ("b5_sw_ft", "ImageNet-12k, then ImageNet-1k"),
    ("b5_sw_", "ImageNet-12k"),
    ("50_ssld", "ImageNet-1k, and pictures of ImageNet-22k without labels"),
    ("101_ssld", "ImageNet-1k, and pictures of ImageNet-22k without labels"),
    ("dinov2", "LVD-142M without labels"),
    ("ade20k", "ImageNet-1k, then ADE20K"),
    ("cityscapes", "ImageNet-1k, then Cityscapes"),
)


def networks() -> tuple[PublicNetwork, ...]:
    """All of them, with their folder where Kaggle's client has kept it.

    Pictures first, of them the most accurate first; those without an accuracy, and texts, the smallest first.
    """
    pictures = [_network("pictures", family, row) for family, rows in _PICTURES.items() for row in rows]
    texts = [_network("texts", family, row) for family, rows in _TEXTS.items() for row in rows]
    ordered = (
        sorted(some, key=lambda network: (-(network.top1 or 0), network.parameters)) for some in (pictures, texts)
    )
    return tuple(network for some in ordered for network in some)


def folder() -> Path:
    """Where Kaggle's client keeps models that it downloaded; the same rule as its."""
    named = os.environ.get("KAGGLEHUB_CACHE")
    return (Path(named) if named else Path.home() / ".cache" / "kagglehub") / "models"


def _network(takes: Takes, family: str, row: _Row) -> PublicNetwork:
    name, group, version, parameters, size = row
    place = f"keras/{group}/keras/{name}/{version}"
    path = folder() / place
    top1, top5 = _JUDGED.get(name, (None, None))
    return PublicNetwork(
        zoo=NAME,
        name=name,
        source=f"kaggle://{place}",
        family=family,
        takes=takes,
        size=size,
        parameters=parameters,
        learnt_from=_texts(name) if takes == "texts" else _pictures(f"{family} {name}"),
        top1=top1 and round(top1 / 100, 5),
        top5=top5 and round(top5 / 100, 5),
        licence=_licence(name, group),
        needs="keras-hub",
        here=str(path) if path.is_dir() else "",
    )


def _licence(name: str, group: str) -> str:
    if name.startswith(_NOT_SAID):
        return ""
    return next(licence for licence, groups in _LICENCES.items() if group in groups)


def _pictures(said: str) -> str:
    return next((learnt for mark, learnt in _LEARNT_FROM if mark in said), "ImageNet-1k")


def _texts(name: str) -> str:
    if "_zh" in name:
        return "Chinese texts"
    many = name.endswith("_multi") or name.startswith(("multilingual", "bge_m3"))
    return "texts in many languages" if many else "English texts"

"""OpenCV runs Caffe's files by their `.prototxt`, as it stands for use."""

import numpy as np
import pytest

from regraft.core.errors import RequestError, WorkError
from regraft.importers import originals
from regraft.importers.originals import opencv
from tests.importers.graphs.test_caffe import INPUT, PLAIN, PLAIN_WEIGHTS, _one, reference, written

pytest.importorskip("cv2")

X = np.random.default_rng(0).normal(size=(2, 4, 11, 14)).astype("f4")
DENSE = 'layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc" inner_product_param { num_output: 3 } } '
DENSE_WEIGHTS = ("fc", "InnerProduct", (np.random.default_rng(1).normal(size=(3, 4 * 11 * 14)), np.ones(3)))


def _agrees(path, wanted):
    ran = opencv.run(path, [{"data": X}], wanted)
    expected = reference(path, X)
    for name in wanted:
        scale = np.abs(expected[name]).max()
        # Float32 against float64.
        np.testing.assert_allclose(ran.values[0][name], expected[name], atol=1e-5 * scale, err_msg=name)


def test_layers_that_write_where_they_read_and_dropout(tmp_path):
    text = INPUT + PLAIN + _one("ReLU", "", ["conv"], ["conv"]) + _one("Dropout", "", ["conv"], ["conv"]) + DENSE
    _agrees(written(tmp_path, text, [PLAIN_WEIGHTS, DENSE_WEIGHTS]), ["conv", "conv/relu", "conv/dropout", "fc"])


def test_what_only_learning_needs_is_not_there(tmp_path):
    text = (
        'layer { name: "source" type: "Data" top: "data" top: "label" include { phase: TRAIN } '
        'data_param { source: "a" batch_size: 9 } } '
        'layer { name: "source" type: "Data" top: "data" top: "label" include { phase: TEST } '
        "transform_param { crop_size: 11 } } "
        + PLAIN
        + 'layer { name: "noisy" type: "Dropout" bottom: "conv" top: "conv" include { phase: TRAIN } } '
        + DENSE
        + 'layer { name: "hits" type: "Accuracy" bottom: "fc" bottom: "label" top: "hits" include { phase: TEST } } '
        + 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" loss_weight: 1 }'
    )
    _agrees(written(tmp_path, text, [PLAIN_WEIGHTS, DENSE_WEIGHTS]), ["conv", "fc", "loss"])


def test_a_layer_that_makes_several_values(tmp_path):
    text = INPUT + PLAIN + _one("Slice", "slice_param { slice_point: 1 }", ["conv"], ["a", "b"])
    _agrees(written(tmp_path, text, [PLAIN_WEIGHTS]), ["a", "b"])


def test_without_a_text_there_is_nothing_to_run_by(tmp_path):
    path = written(tmp_path, INPUT + PLAIN, [PLAIN_WEIGHTS])
    path.with_suffix(".prototxt").unlink()
    with pytest.raises(RequestError, match=r"expected a .prototxt beside '.*' for OpenCV to run it by, found none"):
        opencv.run(path, [{"data": X}], ["conv"])


def test_an_opencv_without_caffe_says_which_to_install(tmp_path, monkeypatch):
    import cv2

    path = written(tmp_path, INPUT + PLAIN, [PLAIN_WEIGHTS])
    monkeypatch.delattr(cv2.dnn, "readNetFromCaffe")
    with pytest.raises(RequestError, match=r"reads no Caffe files.*pip install 'opencv-python-headless<5'"):
        opencv.run(path, [{"data": X}], ["conv"])
    monkeypatch.setattr(originals.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match="needs cv2; install it with: pip install 'opencv-python-headless<5'"):
        originals.runtime("caffe")


def test_what_opencv_says_is_one_line(tmp_path):
    path = written(tmp_path, INPUT + PLAIN, [PLAIN_WEIGHTS])
    with pytest.raises(WorkError, match=r"^OpenCV [\d.]+ \(cv2.dnn\) does not run") as caught:
        opencv.run(path, [{"data": X[:, :3]}], ["conv"])
    assert "\n" not in str(caught.value)

"""The whole journey from networks that others saved with Keras 1 to 3, and with PyTorch."""

import keras
import numpy as np
import pytest

from regraft.recipes import running
from tests.recipes.shapes import write_pictures

pytestmark = [pytest.mark.shared, pytest.mark.slow]

_SQUEEZENET = "keras_squeezenet_v1.1_notop/squeezenet_weights_th_dim_ordering_th_kernels_notop.h5"
NETWORKS = {
    "teachable_mobilenet_v2_0.35_keras_savedmodel/Keras/keras_model.h5": (263, None),
    "mlperf_tiny_resnet8_cifar10/pretrainedResnet.h5": (48, None),
    "keras_face_classification/emotion_models/fer2013_mini_XCEPTION.102-0.66.hdf5": (80, None),
    "keras_face_classification/gender_models/gender_mini_XCEPTION.21-0.95.hdf5": (80, None),
    "keras3_mnist_keras_zip_2/mnist.keras": (4, None),
    "tf1_frozen_mobilenet_v1_0.25_224/derived/mobilenet_2_5_224_tf_no_top.h5": (135, "keras:MobileNet?alpha=0.25"),
    "pytorch_resnet_cifar10/resnet20-12fca82f.th": (97, None),
    _SQUEEZENET: (50, "tests.importers.keras_legacy.networks:squeezenet"),
}


@pytest.mark.parametrize("name", NETWORKS, ids=lambda name: name.split("/")[0])
def test_fit(shared_folder, tmp_path, name):
    tensors, architecture = NETWORKS[name]
    run = running.fit(
        write_pictures(tmp_path / "pictures", 6),
        shared_folder / "nets" / name,
        architecture=architecture,
        preprocessing="caffe" if name == _SQUEEZENET else None,
        out=tmp_path / "run",
        fine_tune="no",
        baselines="no",
        views=1,
    )
    record = run.record
    assert len(record.load.loaded) + len(record.load.renamed) == tensors
    assert not record.load.missing
    assert record.certificate.frozen_unchanged
    model = keras.saving.load_model(record.model)
    answer = np.asarray(model(np.full((1, 64, 64, model.input_shape[-1]), 128, "float32")))
    np.testing.assert_allclose(answer.sum(), 1, rtol=1e-5)

"""Names that a Keras configuration holds and that mean numbers: Keras's own layers, what they are made with, its functions."""

from __future__ import annotations

# Lambda is not one of them: it is code.
_LAYERS = """
InputLayer Dense Activation Embedding Masking EinsumDense Identity Conv1D Conv2D Conv3D SeparableConv1D SeparableConv2D DepthwiseConv1D
DepthwiseConv2D Conv1DTranspose Conv2DTranspose Conv3DTranspose MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D
AveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GlobalAveragePooling1D GlobalAveragePooling2D
GlobalAveragePooling3D LSTM GRU SimpleRNN LSTMCell GRUCell SimpleRNNCell StackedRNNCells RNN TimeDistributed Bidirectional ConvLSTM1D
ConvLSTM2D ConvLSTM3D Normalization Rescaling Resizing CenterCrop RandomCrop RandomFlip RandomRotation RandomZoom RandomTranslation
RandomContrast RandomBrightness CategoryEncoding Discretization Hashing BatchNormalization LayerNormalization UnitNormalization
GroupNormalization SpectralNormalization Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout GaussianNoise
AlphaDropout ActivityRegularization MultiHeadAttention Attention AdditiveAttention GroupQueryAttention Reshape Flatten RepeatVector Permute
Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D Concatenate Average
Maximum Minimum Add Subtract Multiply Dot ReLU Softmax LeakyReLU PReLU ELU Sequential Functional Model
"""
# What stands in a layer's configuration beside layers: how it began, was held and trained.
_PARTS = """
DTypePolicy FloatDTypePolicy QuantizedDTypePolicy Policy Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling
Orthogonal Identity LecunNormal LecunUniform GlorotNormal GlorotUniform HeNormal HeUniform L1 L2 L1L2 OrthogonalRegularizer MaxNorm
MinMaxNorm NonNeg UnitNorm __keras_tensor__ __tensor__ __numpy__ __tuple__ tuple __ellipsis__ __bytes__ Adam AdamW SGD RMSprop Adagrad
Adadelta Adamax Nadam Ftrl Lion Lamb Muon LossScaleOptimizer BinaryCrossentropy CategoricalCrossentropy SparseCategoricalCrossentropy
MeanSquaredError MeanAbsoluteError Huber KLDivergence Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy
TopKCategoricalAccuracy AUC Precision Recall Mean ExponentialDecay CosineDecay PiecewiseConstantDecay PolynomialDecay InverseTimeDecay
"""
_FUNCTIONS = """
linear relu relu6 elu selu gelu sigmoid hard_sigmoid tanh softmax softplus softsign swish silu leaky_relu log_softmax exponential mish
mse mae binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy accuracy
"""
# What is put together again in torch (`assay.model.keras_net`), beside the input.
_REBUILT = """
Conv2D Dense BatchNormalization MaxPooling2D AveragePooling2D GlobalAveragePooling2D GlobalMaxPooling2D Flatten Dropout SpatialDropout2D
GaussianNoise Activation ReLU LeakyReLU ELU Softmax Rescaling ZeroPadding2D
"""
_MERGING = "Add Average Maximum Multiply Concatenate"  # of those that are rebuilt: they read several others
LAYERS, PARTS, FUNCTIONS, MERGING = (frozenset(names.split()) for names in (_LAYERS, _PARTS, _FUNCTIONS, _MERGING))
REBUILT = frozenset(_REBUILT.split()) | MERGING

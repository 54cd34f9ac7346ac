"""What a network sees: filters, activations, attributions, embeddings, its loss around a minimum.

What is looked at is a pure function, images -> (logits, features by name), as any model of
`jaxvision.models` gives it; see `network`.

    network = lambda images: model.apply(variables, images, train=False)
    where = grad_cam(network, images, "stage4")
    plot_attributions(pixels, {"Grad-CAM": np.asarray(where)}).savefig("where.png")
"""

from jaxvision.inspect.pictures.activations import (
    Strongest,
    activating_patches,
    most_activating,
    plot_patches,
)
from jaxvision.inspect.pictures.attribution import deconvolution, guided_backpropagation, saliency
from jaxvision.inspect.pictures.decision_regions import plot_decision_regions
from jaxvision.inspect.pictures.effective_field import (
    effective_receptive_field,
    plot_effective_field,
)
from jaxvision.inspect.pictures.embedding import embed_pca, embed_tsne, plot_embedding
from jaxvision.inspect.pictures.feature_maps import plot_feature_maps, plot_filters
from jaxvision.inspect.pictures.grad_cam import grad_cam, guided_grad_cam
from jaxvision.inspect.pictures.landscape import (
    loss_along_line,
    loss_on_plane,
    path_directions,
    project_path,
    random_direction,
)
from jaxvision.inspect.pictures.network import Network
from jaxvision.inspect.pictures.occlusion import occlusion
from jaxvision.inspect.pictures.overlays import plot_attributions
from jaxvision.inspect.pictures.plot_landscape import plot_loss_line, plot_loss_plane
from jaxvision.inspect.pictures.rewritten import (
    deconvolution_rule,
    guided_rule,
    split_at,
    with_relu_gradient,
)
from jaxvision.inspect.pictures.visualization import (
    Visualization,
    frequency_image,
    image_frequencies,
    plot_visualizations,
    visualize_feature,
)

__all__ = [
    "Network",
    "Strongest",
    "Visualization",
    "activating_patches",
    "deconvolution",
    "deconvolution_rule",
    "effective_receptive_field",
    "embed_pca",
    "embed_tsne",
    "frequency_image",
    "grad_cam",
    "guided_backpropagation",
    "guided_grad_cam",
    "guided_rule",
    "image_frequencies",
    "loss_along_line",
    "loss_on_plane",
    "most_activating",
    "occlusion",
    "path_directions",
    "plot_attributions",
    "plot_decision_regions",
    "plot_effective_field",
    "plot_embedding",
    "plot_feature_maps",
    "plot_filters",
    "plot_loss_line",
    "plot_loss_plane",
    "plot_patches",
    "plot_visualizations",
    "project_path",
    "random_direction",
    "saliency",
    "split_at",
    "visualize_feature",
    "with_relu_gradient",
]

"""Training of the text classifiers: data, fits, figures, the file of classifiers and its card."""

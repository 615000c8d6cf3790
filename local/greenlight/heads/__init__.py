"""Training of linear heads on the embedding of Lite: data, embeddings, fits, figures, the heads file and its card."""

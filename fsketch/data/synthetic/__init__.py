"""Images drawn by programs: faces, pencil sketches, paintings."""

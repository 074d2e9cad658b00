"""Videos beside the skeletons: which belongs to which clip, which frames, which part of the picture, decoded."""

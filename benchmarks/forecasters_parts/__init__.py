"""Parts of the forecasters' benchmark: data sets, peers, and the runs that are kept."""

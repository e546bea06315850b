package httpstream

const MaxUnclaimed = maxUnclaimed

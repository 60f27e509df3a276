package generate

// The api module is named so that its source can be found; nothing of it is called.
import _ "sigs.k8s.io/kustomize/api/types"

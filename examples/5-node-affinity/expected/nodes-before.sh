#!/bin/sh
# Prepares the nodes; see README.txt for what comes next.
# shellcheck disable=SC1091,SC2016,SC2034 # what is set here is for functions.sh, and the templates for kubectl
set -eu
cd -- "$(dirname -- "$0")"
namespace=openelb-system
daemonset=openelb-speaker
pods=app=openelb,component=speaker
peers=bgppeers.network.kubesphere.io
sessions='{{range .items}}{{$peer := .metadata.name}}{{with .status}}{{range $node, $status := .nodesPeerStatus}}{{with $status.peerState}}{{with .sessionState}}{{if eq . "ESTABLISHED"}}{{$node}} {{$peer}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}'
STATUS_PERIOD="${STATUS_PERIOD:-35}"
states=nodes-before/nodes-before-states.txt
. ./functions.sh

say 'label the nodes of the chosen speakers and, for now, of those that leave'
label nodes-before/10-label-nodes.txt bgp-speakers/speaker=true

say 'keep the DaemonSet from restarting its pods by itself'
patch_merge nodes-before/20-patch-daemonset-openelb-speaker.yaml daemonsets.apps openelb-speaker -n openelb-system

settle

say 'done: see README.txt for the next step'

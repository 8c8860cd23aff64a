#!/bin/sh
# Takes back what the scripts have done; see README.txt.
# shellcheck disable=SC1091,SC2016,SC2034 # what is set here is for functions.sh, and the templates for kubectl
set -eu
cd -- "$(dirname -- "$0")"
namespace=openelb-system
daemonset=openelb-speaker
pods=app=openelb,component=speaker
peers=bgppeers.network.kubesphere.io
sessions='{{range .items}}{{$peer := .metadata.name}}{{with .status}}{{range $node, $status := .nodesPeerStatus}}{{with $status.peerState}}{{with .sessionState}}{{if eq . "ESTABLISHED"}}{{$node}} {{$peer}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}'
STATUS_PERIOD="${STATUS_PERIOD:-35}"
states=rollback/rollback-states.txt
gone=skip
. ./functions.sh

say 'keep the DaemonSet from restarting its pods by itself'
patch_merge rollback/10-patch-daemonset-openelb-speaker.yaml daemonsets.apps openelb-speaker -n openelb-system

say 'label the nodes again that had the label, so that the speakers that were stopped start'
label rollback/20-label-nodes.txt bgp-speakers/speaker=true

expect 'The DaemonSet is not as it was: apply your earlier kustomization, then run this script again.' 'DaemonSet openelb-speaker' '{.spec.template.spec.nodeSelector} {.spec.template.spec.affinity} {.spec.template.spec.tolerations}' daemonsets.apps openelb-speaker -n openelb-system

settle

say 'give the speakers the old template back, in rounds'
restart_speakers rollback/30-restart-nodes.txt rollback/speakers.txt rollback/sessions.txt 'Find out why, then run this script again. TIMEOUT=0 goes on without waiting and without rounds: the DaemonSet then restarts outdated speakers by itself, without a look at their sessions.'

wait_speakers rollback/speakers.txt 'Find out why, then run this script again. TIMEOUT=0 goes on without waiting and without rounds: the DaemonSet then restarts outdated speakers by itself, without a look at their sessions.'
wait_sessions rollback/sessions.txt 'Find out why, then run this script again. TIMEOUT=0 goes on without waiting and without rounds: the DaemonSet then restarts outdated speakers by itself, without a look at their sessions.'

say 'give the DaemonSet its own update strategy again'
patch_merge rollback/40-patch-daemonset-openelb-speaker.yaml daemonsets.apps openelb-speaker -n openelb-system

say 'give the nodes the speaker labels that they had before'
unlabel rollback/50-unlabel-nodes.txt bgp-speakers/speaker

say 'done: all changes of the scripts were rolled back'

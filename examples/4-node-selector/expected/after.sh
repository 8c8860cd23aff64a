#!/bin/sh
# Goes on once README.txt's second step is done; see there whether another one follows.
# shellcheck disable=SC1091,SC2016,SC2034 # what is set here is for functions.sh, and the templates for kubectl
set -eu
cd -- "$(dirname -- "$0")"
namespace=openelb-system
daemonset=openelb-speaker
pods=app=openelb,component=speaker
peers=bgppeers.network.kubesphere.io
sessions='{{range .items}}{{$peer := .metadata.name}}{{with .status}}{{range $node, $status := .nodesPeerStatus}}{{with $status.peerState}}{{with .sessionState}}{{if eq . "ESTABLISHED"}}{{$node}} {{$peer}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}'
STATUS_PERIOD="${STATUS_PERIOD:-35}"
states=after/after-states.txt
. ./functions.sh

expect 'The DaemonSet is not as values.yaml asks: run helm upgrade with it, then this script again.' 'DaemonSet openelb-speaker' '{.spec.template.spec.nodeSelector} {.spec.template.spec.affinity} {.spec.template.spec.tolerations}' daemonsets.apps openelb-speaker -n openelb-system

say 'restart the speakers that stay and have the old template, in rounds'
restart_speakers after/10-restart-nodes.txt after/speakers.txt after/sessions.txt 'Nothing has been removed yet: find out why, then run this script again, or rollback.sh.'

wait_speakers after/speakers.txt 'Nothing has been removed yet: find out why, then run this script again, or rollback.sh.'
wait_sessions after/sessions.txt 'Nothing has been removed yet: find out why, then run this script again, or rollback.sh.'

say 'stop the speakers that are no longer needed'
unlabel after/20-unlabel-nodes.txt bgp-speakers/speaker

say 'let the DaemonSet restart its pods by itself again; none is outdated'
patch_merge after/30-patch-daemonset-openelb-speaker.yaml daemonsets.apps openelb-speaker -n openelb-system

wait_speakers after/speakers.txt 'All changes have been made, but this is not as it should be; rollback.sh takes them back.'
wait_sessions after/sessions.txt 'All changes have been made, but this is not as it should be; rollback.sh takes them back.'

say 'done: see README.txt for what is left'

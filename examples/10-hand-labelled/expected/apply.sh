#!/bin/sh
# Brings the speakers and their sessions to the placement; nothing is removed before what replaces it is up.
# Can be run again after an interruption. See functions.sh for the environment that it looks at.
# shellcheck disable=SC1091,SC2016,SC2034 # what is set here is for functions.sh, and the templates for kubectl
set -eu
cd -- "$(dirname -- "$0")"
namespace=openelb-system
daemonset=openelb-speaker
pods=app=openelb,component=speaker
peers=bgppeers.network.kubesphere.io
sessions='{{range .items}}{{$peer := .metadata.name}}{{with .status}}{{range $node, $status := .nodesPeerStatus}}{{with $status.peerState}}{{with .sessionState}}{{if eq . "ESTABLISHED"}}{{$node}} {{$peer}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}'
STATUS_PERIOD="${STATUS_PERIOD:-35}"
states=apply-states.txt
. ./functions.sh

say 'label the nodes of the chosen speakers and, for now, of those that leave'
label 10-label-nodes.txt example.com/bgp=yes

wait_speakers speakers.txt 'Nothing has been removed yet: find out why, then run this script again, or rollback.sh.'
wait_sessions sessions.txt 'Nothing has been removed yet: find out why, then run this script again, or rollback.sh.'

say 'stop the speakers that are no longer needed'
unlabel 20-unlabel-nodes.txt example.com/bgp

wait_speakers speakers.txt 'All changes have been made, but this is not as it should be; rollback.sh takes them back.'
wait_sessions sessions.txt 'All changes have been made, but this is not as it should be; rollback.sh takes them back.'

say 'done: the speakers and their sessions are as in the placement'

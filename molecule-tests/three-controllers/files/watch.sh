#!/bin/bash
# watch.sh ADDRESS VIP: one line about each second until /root/watch.stop is there: the time, then whether this host's
# members of the clusters are among the majority, and whether the virtual address leads to somebody: 1 or 0 each.
address=$1 vip=$2
ask() { timeout 3 bash -c "exec 3<>/dev/tcp/$1/$2 && printf '$3' >&3 && cat <&3" 2>/dev/null; }
rm -f /root/watch.stop
while [ ! -e /root/watch.stop ]; do
    now=$(date +%s)
    timeout 5 docker exec -u root mariadb mariadb -N -e "show status like 'wsrep_cluster_status'" 2>/dev/null | grep -qw Primary && database=1 || database=0
    ask "$address" 2181 'srvr\n' | grep -qE 'Mode: (leader|follower)' && ensemble=1 || ensemble=0
    timeout 2 bash -c "exec 3<>/dev/tcp/$address/5672" 2>/dev/null && broker=1 || broker=0
    ask "$vip" 5000 'GET /v3 HTTP/1.0\r\n\r\n' | grep -q '^HTTP/1.[01] 200' && answers=1 || answers=0
    echo "$now $database $ensemble $broker $answers"
    sleep 1
done > /root/watch.log

# Reads "HOST TIME DATABASE ENSEMBLE BROKER VIP" and prints when two hosts' members of one cluster were away at once, in
# spaces of three seconds; then how long each was away. Ends with 1 if two were.
BEGIN { split("database ensemble broker address", name) }
{
    looks[$1]++
    for (column = 1; column <= 4; column++) {
        if ($(column + 2) == 1) continue
        away[$1, column]++
        if (column == 4) continue
        slot = column SUBSEP int($2 / 3)
        if (!((slot, $1) in seen)) { seen[slot, $1] = 1; if (++count[slot] == 2) { print "two members away: " name[column] " at " $2; bad = 1 } }
    }
}
END {
    for (host in looks)
        print host ": " looks[host] " looks; away in database " away[host, 1] + 0 ", ensemble " away[host, 2] + 0 ", broker " away[host, 3] + 0 "; address silent " away[host, 4] + 0
    exit bad
}

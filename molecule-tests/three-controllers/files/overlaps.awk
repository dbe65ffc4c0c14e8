# Reads "HOST TIME DATABASE ENSEMBLE BROKER VIP" and prints when two hosts' members of one cluster were away at once, in
# spaces of three seconds; then how long each was away. Ends with 1 if two were. An ensemble whose leader goes elects
# another, and for that moment nobody serves: there, two spaces in a row are too many.
BEGIN { split("database ensemble broker address", name) }
{
    looks[$1]++
    for (column = 1; column <= 4; column++) {
        if ($(column + 2) == 1) continue
        away[$1, column]++
        if (column == 4) continue
        slot = column SUBSEP int($2 / 3)
        if (!((slot, $1) in seen)) { seen[slot, $1] = 1; if (++count[slot] == 2) overlap[column, int($2 / 3)] = $2 }
    }
}
END {
    for (one in overlap) {
        split(one, at, SUBSEP)
        lasts = ((at[1], at[2] + 1) in overlap)
        if (at[1] == 2 && !lasts) continue
        print "two members away: " name[at[1]] " at " overlap[one]
        bad = 1
    }
    for (host in looks)
        print host ": " looks[host] " looks; away in database " away[host, 1] + 0 ", ensemble " away[host, 2] + 0 ", broker " away[host, 3] + 0 "; address silent " away[host, 4] + 0
    exit bad
}

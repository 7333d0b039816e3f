module c8drill/pause

go 1.25

import os, sys
print(os.getcwd(), sys.argv[1], end="")

# How the clients' packages get the notices of what is in the library. They set CLONE, this project's folder from theirs.

NOTICES := $(CLONE)/native/build/THIRD_PARTY_NOTICES.txt

$(NOTICES): $(CLONE)/native/build/libtelebridge.so $(wildcard $(CLONE)/tools/notices.ts $(CLONE)/tools/notices/*.ts)
	@cd $(CLONE) && .tools/deno run --quiet --allow-all tools/notices.ts --library

"""The ALICE grid: its files and jobs, over JAliEn's websocket protocol and XRootD; and a small grid of one's own."""

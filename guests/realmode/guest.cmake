add_guest(realmode realmode SOURCES rm.c rm.S realmode.c faults.c modes.c sensitive.c)
add_guest(unreal realmode SOURCES rm.c rm.S unreal.c)
add_guest(v86 realmode SOURCES rm.c rm.S v86.c v86_gates.c sensitive_v86.c)
